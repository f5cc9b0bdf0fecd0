"""What a deployment is: settings, secrets, certificates, data stores, and whether they fit together."""
