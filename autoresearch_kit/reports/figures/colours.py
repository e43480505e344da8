"""The colours of figures and tables: Okabe and Ito's (https://jfly.uni-koeln.de/color/).

Colour-blind people tell them apart; every state has its own mark as well.
"""

GREEN = "#009E73"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"
BLUE = "#0072B2"
GREY = "#8C8C8C"
INK = "#333333"
