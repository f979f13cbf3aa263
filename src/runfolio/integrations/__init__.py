"""Integrations: recording what other packages run. Each takes its package installed, and imports it only when used."""
