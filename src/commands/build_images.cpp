#include "commands/build_images.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <regex>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/core/module_loader.h"
#include "anomctl/data/data_set.h"
#include "anomctl/deploy/container_images.h"
#include "anomctl/detection/bundle.h"
#include "embedded/base_cuda_dockerfile.h"
#include "embedded/base_dockerfile.h"
#include "embedded/detector_dockerfile.h"
#include "embedded/generator_dockerfile.h"
#include "embedded/manager_dockerfile.h"

namespace anomctl {
namespace {

std::string image_name(const BuildImagesOptions& o, const std::string& role) {
  return fmt::format("{}/{}-{}:{}", o.company, o.repository, role, o.tag);
}

std::string base_image(const BuildImagesOptions& o) {
  return o.ubuntu_version.empty() ? o.base_image : "ubuntu:" + o.ubuntu_version;
}

// PyPI's libtorch is made for one CUDA, those for others are in an index of their own.
std::string wheels_of(const std::string& cuda_version) {
  static const std::regex kVersion(R"(([0-9]+)\.([0-9]+)(\.[0-9]+)?)");
  std::smatch part;
  if (!std::regex_match(cuda_version, part, kVersion))
    throw UsageError(fmt::format("cuda-version '{}': expected a number as 13.0 or 12.8.1", cuda_version));
  if (part[1] == "13" && part[2] == "0") return "";
  return fmt::format("--index-url https://download.pytorch.org/whl/cu{}{}", part[1].str(), part[2].str());
}

// What libtorch needs of the system and the program does not load.
constexpr std::array kOfLibtorch = {"libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1", "libm.so.6"};

void stage_libtorch_module(const fs::path& context) {
  const char* name = "libanomctl-torch.so";
  const fs::path module = find_module(name);
  if (module.empty())
    throw failed(fmt::format("{} is not there: install the full package, or set ANOMCTL_MODULE_DIR", name));
  std::vector<fs::path> libraries = loaded_libraries();
  const auto c = std::ranges::find(libraries, "libc.so.6", [](const fs::path& path) { return path.filename(); });
  if (c == libraries.end()) throw failed("this program runs without glibc, which libtorch needs");
  const fs::path folder = c->parent_path();
  for (const char* one : kOfLibtorch)
    if (std::ranges::find(libraries, folder / one) == libraries.end()) libraries.push_back(folder / one);
  stage_runtime(context, executable_path(), libraries, {module});
}

// What the role adds to the base, and its Dockerfile.
std::string stage(const BuildImagesOptions& o, const std::string& role, const fs::path& context) {
  std::map<std::string, std::string> values = {{"BASE", image_name(o, role == "detector-cuda" ? "base-cuda" : "base")},
                                               {"BASE_IMAGE", base_image(o)},
                                               {"VERSION", o.tag}};
  if (role == "base") {
    stage_runtime(context, executable_path(), loaded_libraries());
    return render_template(embedded::base_dockerfile, values);
  }
  if (role == "base-cuda") {
    values["WHEELS_IMAGE"] = o.wheels_image;
    values["WHEELS"] = wheels_of(o.cuda_version);
    values["TORCH_VERSION"] = o.torch_version;
    stage_libtorch_module(context);
    return render_template(embedded::base_cuda_dockerfile, values);
  }
  if (role.starts_with("detector")) {
    stage_folder(o.bundle, context / "root/bundle");  // a folder that the engine makes has the time of the build
    fix_folders(context);
    return render_template(embedded::detector_dockerfile, values);
  }
  if (role == "generator") {
    const fs::path folder = find_data_set(o.datasets_dir, o.dataset);
    values["DATASET"] = folder.filename().string();
    stage_folder(folder, context / "root/datasets" / folder.filename(), {"eval.csv", "eval_labels.csv", "meta.json"});
    fix_folders(context);
    return render_template(embedded::generator_dockerfile, values);
  }
  return render_template(embedded::manager_dockerfile, values);
}

// What was rendered before goes; what is somebody else's stays.
void empty_ours(const fs::path& folder) {
  constexpr const char* kOurs = ".made-by-anomctl";
  if (fs::exists(folder) && !(fs::is_directory(folder) && (fs::is_empty(folder) || fs::exists(folder / kOurs))))
    throw UsageError(
        fmt::format("{} is there and was not made by build-images: choose another --context", folder.string()));
  fs::remove_all(folder);
  fs::create_directories(folder);
  write_file_atomic(folder / kOurs, "");
}

void build(const BuildImagesOptions& o, const std::string& role, Context& context) {
  std::optional<TemporaryFolder> temporary;
  fs::path folder = o.context;
  if (folder.empty()) folder = temporary.emplace().path();
  folder /= role;
  empty_ours(folder);
  write_file_atomic(folder / "Dockerfile", stage(o, role, folder));
  std::vector<std::string> command = {o.engine, "build", "--tag", image_name(o, role)};
  if (o.progress == "plain") command.insert(command.end(), {"--progress", "plain"});
  command.push_back(folder.string());
  if (o.dry_run) {
    context.text(fmt::format("{}", fmt::join(command, " ")));
    context.text(read_file(folder / "Dockerfile"));
    if (temporary) log_info("{} goes again: --context DIR keeps what is rendered", folder.string());
  } else {
    log_info("building {}", image_name(o, role));
    const int code = run_program(command);
    if (code != 0) throw failed(fmt::format("{} build ended with {} for {}", o.engine, code, image_name(o, role)));
    context.text(fmt::format("built {}", image_name(o, role)));
  }
  context.result["images"].push_back(image_name(o, role));
}

// What container engines take as names: else a Dockerfile or a command would hold what nobody meant.
void check_names(const BuildImagesOptions& o) {
  static const std::regex kPart("[a-z0-9]+(([.:/]|_|__|-+)[a-z0-9]+)*"), kTag("[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"),
      kImage("[A-Za-z0-9][A-Za-z0-9._:/@-]*"), kVersion("[0-9][0-9A-Za-z.+]*");
  const auto check = [](const char* setting, const std::string& value, const std::regex& grammar,
                        const char* expected) {
    if (!std::regex_match(value, grammar))
      throw UsageError(fmt::format("{} '{}' cannot be in the name of an image: expected {}", setting, value, expected));
  };
  check("company", o.company, kPart, "lower-case letters and digits, with . _ - / between them");
  check("repository", o.repository, kPart, "lower-case letters and digits, with . _ - / between them");
  check("tag", o.tag, kTag, "at most 128 letters, digits, . _ -");
  check("base-image", base_image(o), kImage, "a name as in docker pull");
  check("wheels-image", o.wheels_image, kImage, "a name as in docker pull");
  check("torch-version", o.torch_version, kVersion, "a version of PyPI's torch, as 2.11.0");
  if (!o.cuda_version.empty()) wheels_of(o.cuda_version);
}

// Before the first build, which may take minutes.
void check_inputs(const BuildImagesOptions& o, const std::string& role) {
  if (role == "generator") find_data_set(o.datasets_dir, o.dataset);
  if (role != "detector") return;
  if (o.bundle.empty()) throw UsageError("the detector's image holds a bundle: give --bundle DIR");
  load_bundle(o.bundle);  // a broken bundle is found here, not in production
}

int run(const BuildImagesOptions& o, Context& context) {
  check_names(o);
  for (const auto& [name, value] :
       {std::pair{"fastapi_version", &o.fastapi_version}, {"mlflow_version", &o.mlflow_version}}) {
    if (!value->empty()) log_warning("{} is ignored: the images hold one program without Python", name);
  }
  std::vector<std::string> roles = o.what;
  if (std::find(roles.begin(), roles.end(), "all") != roles.end()) roles = {"base", "detector", "generator", "manager"};
  for (const std::string& role : roles) check_inputs(o, role);
  for (const std::string& role : roles) {
    build(o, role, context);
    if (!o.cuda_version.empty() && (role == "base" || role == "detector")) build(o, role + "-cuda", context);
  }
  return 0;
}

}  // namespace

CommandSpec build_images_command() {
  return make_command<BuildImagesOptions>(
      "build-images", "Deployment", "Build container images of the roles",
      {"anomctl build-images base", "anomctl build-images detector --bundle bundles/pump",
       "anomctl build-images all --bundle bundles/pump --dry-run",
       "anomctl build-images base detector --bundle bundles/pump --cuda-version 13.0"},
      run);
}

}  // namespace anomctl
