"""How far a plan is from the best possible: bounds, certificates, proven shortfalls."""
