"""The one HTTP client: TLS, proxy, credentials, limits, and what its errors mean."""
