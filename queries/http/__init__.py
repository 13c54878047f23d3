"""The one HTTP client: TLS, proxy, credentials, limits and error mapping."""
