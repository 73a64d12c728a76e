# The program with libtorch and the CUDA libraries that it loads. The driver comes from the machine, by NVIDIA's container
# toolkit. @VERSION@
FROM @WHEELS_IMAGE@ AS wheels
RUN pip install --no-cache-dir --no-compile @WHEELS@ --target /wheels torch==@TORCH_VERSION@
# The shared libraries alone, in the folders in which they look for each other, with one time for all.
RUN mkdir /libtorch && cd /wheels \
 && find torch/lib nvidia/*/lib -name '*.so*' ! -name '*python*' -exec cp --parents -t /libtorch {} + \
 && find /libtorch -exec touch --date=@0 {} +

FROM @BASE_IMAGE@
COPY --from=wheels /libtorch/ /usr/lib/libtorch/
COPY root/ /
ENV PATH=/usr/bin ANOMCTL_LIBTORCH=/usr/lib/libtorch/torch LD_LIBRARY_PATH=/usr/lib64 \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001:10001
WORKDIR /data
ENTRYPOINT ["/usr/bin/anomctl"]
CMD ["--help"]
