"""OpenAPI 3.0 and 3.1 documents as endpoints.

A document is *read* into plain values, its *references* are followed within itself and nowhere else, its *schemas* are
made into JSON Schemas that stand by themselves, and each of its *operations* becomes an endpoint or is left out with a
reason. The library openapi-pydantic judges the objects of the document one by one, so that one that is wrong costs its
own operation and no other.
"""
