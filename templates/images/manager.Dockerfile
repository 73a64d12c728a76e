# Turns readings into verdicts; the bundle or the server is named by its environment.
FROM @BASE@
VOLUME ["/state"]
CMD ["manage", "--state-dir", "/state"]
