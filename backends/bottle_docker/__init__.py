"""The Docker backend of bottle."""
