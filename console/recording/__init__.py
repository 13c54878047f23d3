"""What no server keeps: states of the cluster and of Alertmanager over time, in files of differences (docs/recording.md)."""
