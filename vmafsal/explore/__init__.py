"""A page in the browser to look at maps, models and logs.

What the page shows is computed by the modules beside it, which know no browser; `page.py` alone
imports Streamlit, and is run by it for every change on the page.
"""
