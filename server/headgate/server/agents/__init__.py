"""The tool calls of a model's answer, made as one batch, and their results in the shape of the model's provider.

It knows the shapes of OpenAI's Chat Completions and Responses and of Anthropic's Messages, and none of their libraries:
what goes in and out are plain JSON objects, or the libraries' own models going in.
"""
