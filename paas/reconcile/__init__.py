"""The contract of a controller: gather, plan, execute; status and conditions."""
