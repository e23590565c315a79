"""The judge: the paper's numbers and claims beside what the stored records have."""
