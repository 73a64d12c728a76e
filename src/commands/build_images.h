// `anomctl build-images base|detector|generator|manager|all`: container images of the roles.
#pragma once

#include <string>
#include <vector>

#include "anomctl/core/files.h"
#include "commands/command.h"

namespace anomctl {

struct BuildImagesOptions {
  std::vector<std::string> what;
  std::string company = "anomctl", repository = "anomctl", tag = "latest";
  std::string base_image = "scratch";
  fs::path bundle;
  std::string dataset;
  fs::path datasets_dir = "datasets";
  std::string engine = "docker";
  std::string progress = "auto";
  fs::path context;
  bool dry_run = false;
  std::string cuda_version, torch_version = "2.11.0", wheels_image = "python:3.11-slim-bookworm";
  std::string ubuntu_version, fastapi_version, mlflow_version;

  static void fields(auto& self, auto&& field) {
    field("what", self.what, "base, detector, generator, manager or all", Positional{}, Required{},
          OneOf{{"base", "detector", "generator", "manager", "all"}});
    field("company", self.company, "first part of the image names");
    field("repository", self.repository, "second part of the image names; the role follows after a '-'");
    field("tag", self.tag, "tag of the images");
    field("base_image", self.base_image, "image that the base starts from: any local image, or scratch",
          Alias{"BASE_IMAGE"});
    field("bundle", self.bundle, "bundle that the detector serves");
    field("dataset", self.dataset,
          "data set whose eval part the generator plays (default: the only one, else the newest)");
    field("datasets_dir", self.datasets_dir, "folder that holds the data sets");
    field("engine", self.engine, "container engine's command");
    field("progress", self.progress, "build output", OneOf{{"auto", "plain"}});
    field("context", self.context, "keep the rendered files in this folder (default: a temporary one)");
    field("dry_run", self.dry_run, "write the files and print the command, build nothing");
    field("cuda_version", self.cuda_version,
          "also base-cuda and detector-cuda, with libtorch for NVIDIA GPUs and this CUDA: 13.0, 12.8 (default: none)");
    field("torch_version", self.torch_version, "libtorch of base-cuda: the one that this program was built with");
    field("wheels_image", self.wheels_image, "image with pip, in which the libraries of base-cuda are gathered");
    field("ubuntu_version", self.ubuntu_version, "of the original: same as --base-image ubuntu:VERSION", Hidden{});
    field("fastapi_version", self.fastapi_version, "of the original: not used, there is no FastAPI inside", Hidden{});
    field("mlflow_version", self.mlflow_version, "of the original: not used, there is no MLflow inside", Hidden{});
  }
};

CommandSpec build_images_command();

}  // namespace anomctl
