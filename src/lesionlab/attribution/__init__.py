"""Where answers come from, by several methods; and whether what they show is right."""
