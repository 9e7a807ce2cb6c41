"""What methods share: teachers, distillation, exemplars, importance, projection, isolation."""
