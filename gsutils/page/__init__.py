"""What only pages need: figures, numbers in prose, the line on the runtime, widgets."""
