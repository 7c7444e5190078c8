"""The HTTP server of `nmt serve`: LibreTranslate's interface, our own, and a page. It needs the extra `serve`."""
