"""What every process of this project is, and what every HTTP service of it answers. Knows no task and no store."""
