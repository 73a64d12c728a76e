# Turns readings into verdicts; the bundle or the server is named by its environment.
FROM @BASE@
VOLUME ["/state"]
ENV ANOMCTL_ALIVE_FILE=/tmp/alive
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["/usr/bin/anomctl", "health"]
CMD ["manage", "--state-dir", "/state"]
