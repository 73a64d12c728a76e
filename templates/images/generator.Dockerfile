# Plays the eval part of one data set to the broker.
FROM @BASE@
COPY root/ /
ENV ANOMCTL_ALIVE_FILE=/tmp/alive
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["/usr/bin/anomctl", "health"]
CMD ["generate", "--datasets-dir", "/datasets", "--dataset", "@DATASET@", "--loop", "--speed", "1"]
