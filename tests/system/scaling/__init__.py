"""Workers that follow the backlog, scaled as KEDA and the autoscaler of Kubernetes would, on one machine."""
