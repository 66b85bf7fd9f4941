"""How the command centre is measured."""
