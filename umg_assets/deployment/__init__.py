"""Files for running the lakehouse as a service: Dagster's instance on one machine or many, systemd units."""
