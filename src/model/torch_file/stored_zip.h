// The entries of a zip archive without compression, as torch.save writes it. Strict, since archives that two readers
// understand differently are how bad ones pass: no compression, encryption or several disks, no entry that stands twice
// or overlaps another, no name that leaves the archive's folder; what the central directory says must stand before each
// entry too, and the CRC-32 must fit. Source: APPNOTE.TXT 6.3.10, https://support.pkware.com. Thread rule: pure.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace anomctl::torch_file {

// Views into `bytes` by name, the archive's folder ("archive/") taken off. Throws Error(bad_input) that begins with
// `where`.
std::map<std::string, std::string_view, std::less<>> stored_entries(std::string_view bytes, const std::string& where);

}  // namespace anomctl::torch_file
