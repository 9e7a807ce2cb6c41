"""Many runs from one request: methods x sequences x seeds, in processes of their own."""
