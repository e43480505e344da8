"""The language model as a researcher: prompt, edit tools, endpoint, transcript."""
