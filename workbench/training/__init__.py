"""The one training loop of workbench, used by distillation and by the making of the demo model."""
