from paas.cli.main import main

main()
