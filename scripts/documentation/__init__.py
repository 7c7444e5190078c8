"""Write the generated parts of the documentation: docs/config.md and docs/systems.md."""
