"""Files to run the lakehouse as a service: Dagster's instance on one machine or many, and a systemd unit."""
