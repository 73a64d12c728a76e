# The program, the libraries that it loads, CA certificates and one user. @VERSION@
FROM @BASE_IMAGE@
COPY root/ /
ENV PATH=/usr/bin
USER 10001:10001
WORKDIR /data
ENTRYPOINT ["/usr/bin/anomctl"]
CMD ["--help"]
