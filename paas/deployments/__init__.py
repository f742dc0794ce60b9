"""DeploymentConfig: revisions of a pod template with resolved images, rolled out by a Deployment."""
