"""What is made of saliency maps."""
