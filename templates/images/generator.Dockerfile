# Plays the eval part of one data set to the broker.
FROM @BASE@
COPY datasets/ /datasets/
CMD ["generate", "--datasets-dir", "/datasets", "--dataset", "@DATASET@", "--loop", "--speed", "1"]
