"""The Discord front end.

What lives here never decodes an image and never imports torch, torchvision or faiss: a bad upload
or a crash of the encoder must not take the gateway connection down.
"""
