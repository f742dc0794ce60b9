"""`paas new-app`: what an application is made of."""
