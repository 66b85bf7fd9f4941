"""What may be told of people: disclosure control, noise, places of cases, how long data are kept."""
