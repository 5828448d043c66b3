"""Images that videos begin with: files on this machine, uploaded once and given to the service as signed links."""
