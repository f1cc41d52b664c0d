"""Training of saliency students: from folders of images to a checked ONNX file.

Run from a checkout as `python -m train …`; torch is needed here and nowhere else.
"""
