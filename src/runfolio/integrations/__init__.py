"""What needs another package installed: each module is imported only when it is asked for."""
