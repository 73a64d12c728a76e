#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <fstream>

#include "anomctl/core/files.h"
#include "anomctl/core/json.h"
#include "anomctl/core/time.h"
#include "anomctl/io/metrics/metrics.h"

namespace anomctl {

namespace {

// Seconds since the epoch when the process began, from its start in clock ticks since boot (proc(5), field 22 of stat).
double start_time() {
  std::ifstream stat("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(stat)), {});
  const std::size_t after_name = text.rfind(')');
  double ticks = 0, uptime = 0;
  std::size_t at = after_name == std::string::npos ? text.size() : after_name + 1;
  for (int field = 3; field <= 22 && at < text.size(); ++field) {
    const std::size_t begin = text.find_first_not_of(' ', at);
    at = text.find(' ', begin);
    if (field == 22) ticks = std::strtod(text.c_str() + begin, nullptr);
  }
  std::ifstream("/proc/uptime") >> uptime;
  return static_cast<double>(system_clock().now()) / 1e9 - uptime + ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double open_files() {
  std::error_code ec;
  double count = -1;  // the folder's own descriptor
  for (fs::directory_iterator it("/proc/self/fd", ec), end; !ec && it != end; it.increment(ec)) ++count;
  return count;
}

double seconds_of(const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; }

void append(std::string& out, const char* name, const char* type, const char* help, double value) {
  out += std::string("# HELP ") + name + " " + help + "\n# TYPE " + name + " " + type + "\n" + name + " " +
         shortest(value) + "\n";
}

}  // namespace

std::string process_metrics_text() {
  static const double started = start_time();
  double pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  std::string out;
  append(out, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", pages * page);
  append(out, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", resident * page);
  append(out, "process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.", started);
  append(out, "process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.",
         seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
  append(out, "process_open_fds", "gauge", "Number of open file descriptors.", open_files());
  append(out, "process_max_fds", "gauge", "Maximum number of open file descriptors.",
         static_cast<double>(files.rlim_cur));
  return out;
}

}  // namespace anomctl
