#include <fmt/core.h>

#include <cmath>

#include "anomctl/core/error.h"
#include "anomctl/model/relation_network.h"

namespace anomctl {

Json RelationNetwork::to_json() const {
  Json j = Json::object();
  Json& s = j["settings"];
  RelationSettings copy = parameters.settings;
  for (const Field& field : describe(copy)) s[field.name] = field.get();
  j["batch"] = parameters.settings.batch;
  j["gate"] = Json(gate);
  j["voice"] = voice;
  j["explained"] = Json(explained);
  j["epochs_trained"] = epochs;
  Json neighbours = Json::array();
  for (const auto& list : parameters.neighbours)
    neighbours.push_back(Json(std::vector<std::int64_t>(list.begin(), list.end())));
  j["neighbours"] = neighbours;
  return j;
}

Tensor RelationNetwork::to_tensor() const {
  return {{static_cast<std::int64_t>(parameters.values.size())}, parameters.values};
}

RelationNetwork RelationNetwork::from(const Json& j, const Tensor& values, std::size_t sensors) {
  RelationNetwork n;
  for (const Field& field : describe(n.parameters.settings)) field.set({j.at("settings").at(field.name).as_string()});
  n.parameters.sensors = sensors;
  for (auto [list, name] : {std::pair{&n.gate, "gate"}, {&n.explained, "explained"}}) {
    *list = doubles(j.at(name));
    if (list->size() != sensors)
      throw input_error(fmt::format("relation network: {} has {} numbers for {} sensors", name, list->size(), sensors));
  }
  n.voice = j.at("voice").as_double();
  n.epochs = j.int_or("epochs_trained", 0);
  if (!(n.voice >= 0 && n.voice <= 1)) throw input_error("relation network: the voice is outside 0 to 1");
  const auto& lists = j.at("neighbours").as_array();
  if (lists.size() != sensors) throw input_error("relation network: neighbours do not fit the sensors");
  for (std::size_t i = 0; i < sensors; ++i) {
    std::vector<std::uint32_t> list;
    for (const Json& item : lists[i].as_array()) {
      const std::int64_t sensor = item.as_int();
      if (sensor < 0 || static_cast<std::size_t>(sensor) >= sensors || static_cast<std::size_t>(sensor) == i) {
        throw input_error(fmt::format("relation network: sensor {} cannot be a neighbour of {}", sensor, i));
      }
      list.push_back(static_cast<std::uint32_t>(sensor));
    }
    if (list.empty()) throw input_error("relation network: a sensor has no neighbour");
    n.parameters.neighbours.push_back(std::move(list));
  }
  const std::size_t needed = n.parameters.layout().total;
  if (values.values.size() != needed) {
    throw input_error(fmt::format("relation network: {} parameters, {} are needed", values.values.size(), needed));
  }
  n.parameters.values = values.values;
  for (const float v : n.parameters.values) {
    if (!std::isfinite(v)) throw input_error("relation network: a parameter is not finite");
  }
  return n;
}

}  // namespace anomctl
