"""Files as torch.save writes them, made without torch: a pickle by hand in an archive without compression."""

import io
import struct
import zipfile

STORAGES = {"<f4": "FloatStorage", "<f8": "DoubleStorage", "<f2": "HalfStorage", "<i8": "LongStorage", "|u1": "ByteStorage"}


def text(word):
    return b"X" + struct.pack("<I", len(word.encode())) + word.encode()


def whole(number):
    return b"J" + struct.pack("<i", number)


def numbers(values):
    return b"(" + b"".join(map(whole, values)) + b"t"


def tensor(key, values, shape=None, stride=None, offset=0, count=None):
    """The pickle of one tensor over the storage `key`; shape, stride and count may lie."""
    shape = values.shape if shape is None else shape
    stride = [s // values.itemsize for s in values.strides] if stride is None else stride
    storage = (b"(" + text("storage") + f"ctorch\n{STORAGES[values.dtype.str]}\n".encode() + text(key) + text("cpu")
               + whole(values.size if count is None else count) + b"tQ")
    return (b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + whole(offset) + numbers(shape) + numbers(stride)
            + b"\x89ccollections\nOrderedDict\n)RtR")


def state_dict(tensors):
    """The pickle of an OrderedDict name -> pickled tensor."""
    return (b"\x80\x02ccollections\nOrderedDict\n)R(" + b"".join(text(name) + item for name, item in tensors.items())
            + b"u.")


def archive(entries, method=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, data in entries:
            file.writestr(zipfile.ZipInfo(name), data, method)
    return out.getvalue()


def checkpoint(weights):
    """Bytes of a .pt file that holds these numpy arrays."""
    items, data = {}, []
    for number, (name, values) in enumerate(weights.items()):
        items[name] = tensor(str(number), values)
        data.append((f"archive/data/{number}", values.tobytes()))
    return archive([("archive/data.pkl", state_dict(items)), *data, ("archive/version", b"3\n")])
