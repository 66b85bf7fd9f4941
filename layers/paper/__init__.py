"""Maps and sign boards on paper: PDF, true to scale, with the fonts inside."""
