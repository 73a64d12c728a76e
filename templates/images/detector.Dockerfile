# Serves one bundle over the V2 Open Inference Protocol.
FROM @BASE@
COPY root/ /
EXPOSE 8080 8082
HEALTHCHECK --interval=5s --timeout=3s --start-period=2s --retries=6 CMD ["/usr/bin/anomctl", "health", "--url", "http://127.0.0.1:8080"]
CMD ["serve", "--bundle", "/bundle", "--host", "0.0.0.0", "--insecure"]
