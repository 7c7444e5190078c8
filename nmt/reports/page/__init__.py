"""The parts of `report.html`: one module per section, and the HTML and SVG elements that they are made of."""
