"""Scripts for the installation of nmt."""
