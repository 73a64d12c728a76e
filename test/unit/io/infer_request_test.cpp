#include "anomctl/io/openinference/infer_request.h"

#include <cmath>

#include "anomctl/core/json.h"
#include "anomctl/io/openinference/infer_response.h"
#include "support/catch.h"

using namespace anomctl;
using namespace anomctl::v2;

namespace {

InferRequest read(const std::string& body, const InferLimits& limits = {}) {
  auto parsed = parse_infer_request(body, std::nullopt, limits);
  if (const auto* refusal = std::get_if<Refusal>(&parsed)) FAIL(refusal->body);
  return std::get<InferRequest>(parsed);
}

Refusal refused(const std::string& body, const InferLimits& limits = {},
                std::optional<std::uint64_t> json_bytes = std::nullopt) {
  auto parsed = parse_infer_request(body, json_bytes, limits);
  REQUIRE(std::holds_alternative<Refusal>(parsed));
  const Refusal refusal = std::get<Refusal>(parsed);
  CHECK(Json::parse(refusal.body).at("error").is_string());
  return refusal;
}

Json detail_of(const Refusal& refusal) { return Json::parse(refusal.body).at("detail").as_array().at(0); }

std::string tensor(const std::string& rest) { return R"({"inputs":[{"name":"x",)" + rest + "}]}"; }

}  // namespace

TEST_CASE("a request with all its parts") {
  const InferRequest request =
      read(R"({"id":"a1","parameters":{"content_type":"np","binary_data_output":true,"z":{"y":[1,{"a":2}]}},
    "extra":[[1]],"inputs":[{"name":"x","shape":[2,2],"datatype":"FP64","parameters":{"content_type":"pd","foo":1},"data":[[1,2.5],[-3,1e2]]}],
    "outputs":[{"name":"score","parameters":{"binary_data":false}},{"name":"expected"}]})");
  CHECK(request.id == "a1");
  CHECK(request.content_type == "np");
  CHECK(request.binary_output);
  REQUIRE(request.inputs.size() == 1);
  CHECK(request.inputs[0].name == "x");
  CHECK(request.inputs[0].content_type == "pd");
  CHECK(request.inputs[0].datatype == DataType::fp64);
  CHECK(request.inputs[0].shape == std::vector<std::int64_t>{2, 2});
  CHECK(request.inputs[0].numbers == std::vector<double>{1, 2.5, -3, 100});
  REQUIRE(request.outputs.size() == 2);
  CHECK(request.outputs[0].binary == false);
  CHECK_FALSE(request.outputs[1].binary);
}

TEST_CASE("data before shape, flat data, other datatypes") {
  CHECK(read(tensor(R"("data":[1,2,3,4],"datatype":"INT8","shape":[4])")).inputs[0].numbers.size() == 4);
  CHECK(read(tensor(R"("data":[true,false],"datatype":"BOOL","shape":[2])")).inputs[0].numbers ==
        std::vector<double>{1, 0});
  CHECK(read(tensor(R"("data":["1.5","b"],"datatype":"BYTES","shape":[2])")).inputs[0].texts ==
        std::vector<std::string>{"1.5", "b"});
  CHECK(read(tensor(R"("data":[0.1],"datatype":"FP32","shape":[1])")).inputs[0].numbers[0] ==
        static_cast<double>(0.1F));
  CHECK(read(tensor(R"("data":[18446744073709551615],"datatype":"FP64","shape":[1])")).inputs[0].numbers[0] ==
        18446744073709551615.0);
  CHECK(read(R"({"inputs":[]})").inputs.empty());
}

TEST_CASE("what is missing is named as MLServer names it") {
  const Refusal no_shape = refused(R"({"inputs":[{"name":"input","datatype":"FP32","data":[1]}]})");
  CHECK(no_shape.status == 422);
  CHECK(detail_of(no_shape) ==
        Json::parse(R"({"type":"missing","loc":["body","inputs",0,"shape"],"msg":"Field required",)"
                    R"("input":{"name":"input","datatype":"FP32","data":[1]}})"));
  CHECK(detail_of(refused("{}")) ==
        Json::parse(R"({"type":"missing","loc":["body","inputs"],"msg":"Field required","input":{}})"));
  CHECK(detail_of(refused("")) ==
        Json::parse(R"({"type":"missing","loc":["body"],"msg":"Field required","input":null})"));
  CHECK(detail_of(refused("[1,2]")).at("type") == Json("model_attributes_type"));
  CHECK(detail_of(refused(tensor(R"("shape":[1],"datatype":"FLOAT","data":[1])"))).at("type") == Json("enum"));
  CHECK(detail_of(refused(R"({"inputs":{}})")).at("loc") == Json::parse(R"(["body","inputs"])"));
  CHECK(detail_of(refused(R"({"inputs":[1]})")).at("type") == Json("model_attributes_type"));
  CHECK(detail_of(refused(tensor(R"("shape":3,"datatype":"FP32","data":[1])"))).at("type") == Json("list_type"));
  CHECK(detail_of(refused(tensor(R"("shape":[1],"datatype":"FP32","data":"a")"))).at("type") == Json("list_type"));
  CHECK(detail_of(refused(tensor(R"("shape":[1.5],"datatype":"FP32","data":[1])"))).at("type") ==
        Json("int_from_float"));
}

TEST_CASE("broken JSON is answered with its position") {
  const Refusal cut = refused(R"({"inputs":[)");
  CHECK(cut.status == 422);
  CHECK(detail_of(cut) ==
        Json::parse(R"({"type":"json_invalid","loc":["body",11],"msg":"JSON decode error","input":{},)"
                    R"("ctx":{"error":"unexpected end of data"}})"));
  CHECK(refused("{\"inputs\":[]}x").status == 422);
  CHECK(refused(std::string("{\"inputs\":[]}\0x", 15)).status == 422);
  CHECK(refused("{\"inputs\":[],\"id\":\"\xff\"}").status == 422);
  CHECK(refused(tensor(R"("shape":[1],"datatype":"FP32","data":[NaN])")).status == 422);
}

TEST_CASE("values that do not fit are refused") {
  const auto says = [](const std::string& rest, const std::string& what) {
    const Refusal refusal = refused(tensor(rest));
    CHECK(refusal.status == 400);
    CHECK_THAT(refusal.body, Contains(what));
  };
  says(R"("shape":[1,100,17],"datatype":"FP32","data":[1,2,3])",
       "cannot reshape array of size 3 into shape (1,100,17)");
  says(R"("shape":[2],"datatype":"FP32","data":["a","b"])", "holds text");
  says(R"("shape":[2],"datatype":"BYTES","data":[1,2])", "holds numbers");
  says(R"("shape":[2],"datatype":"FP32","data":[null,1])", "holds null");
  says(R"("shape":[3],"datatype":"FP32","data":[[1,2],[3]])", "ragged");
  says(R"("shape":[2],"datatype":"FP32","data":[1,[2]])", "ragged");
  says(R"("shape":[1],"datatype":"INT8","data":[300])", "is no INT8");
  says(R"("shape":[1],"datatype":"FP32","data":[1e300])", "not finite");
  says(R"("shape":[-1,-1],"datatype":"FP32","data":[])", "negative or too large");
  says(R"("shape":[-1,2],"datatype":"FP32","data":[1,2,3])", "negative or too large");
  says(R"("shape":[9223372036854775807,2],"datatype":"FP32","data":[])", "negative or too large");
  says(R"("shape":[1],"datatype":"FP32","data":[{"a":1}])", "object");
}

TEST_CASE("shapes as Python's servers take them") {
  const auto shape = [](const std::string& text) {
    return read(tensor("\"shape\":" + text + R"(,"datatype":"FP32","data":[1,2,3,4,5,6])")).inputs[0].shape;
  };
  CHECK(shape("[2,3]") == std::vector<std::int64_t>{2, 3});
  CHECK(shape("[\"2\",3.0]") == std::vector<std::int64_t>{2, 3});
  CHECK(shape("[-1,2]") == std::vector<std::int64_t>{3, 2});
  for (const char* wrong : {"[[2],3]", "[2.5,3]", "[\"two\",3]"}) {
    INFO(wrong);
    CHECK(refused(tensor(std::string("\"shape\":") + wrong + R"(,"datatype":"FP32","data":[1,2,3,4,5,6])")).status ==
          422);
  }
}

TEST_CASE("fields of the wrong kind are told with their place") {
  const std::string input = R"({"name":"x","shape":[1],"datatype":"FP32","data":[1]})";
  const auto says = [](const std::string& body, const std::string& location) {
    INFO(body);
    const Refusal refusal = refused(body);
    CHECK(refusal.status == 422);
    CHECK_THAT(refusal.body, Contains("\"loc\":" + location));
  };
  for (const char* id : {"1", "1.5", "true", "{}", "[]"})
    says("{\"id\":" + std::string(id) + ",\"inputs\":[" + input + "]}", R"(["body","id"])");
  for (const char* wrong : {"1", "\"x\"", "[1]"})
    says("{\"parameters\":" + std::string(wrong) + ",\"inputs\":[" + input + "]}", R"(["body","parameters"])");
  for (const char* wrong : {"1", "\"x\"", "{}"})
    says("{\"outputs\":" + std::string(wrong) + ",\"inputs\":[" + input + "]}", R"(["body","outputs"])");
  says("{\"outputs\":[{}],\"inputs\":[" + input + "]}", R"(["body","outputs",0,"name"])");
  for (const char* wrong : {"1", "null", "{}", "\"x\""})
    says("{\"inputs\":" + std::string(wrong) + "}", R"(["body","inputs"])");
}

TEST_CASE("a small body cannot become a large object") {
  std::string many = "{\"inputs\":[";
  for (int i = 0; i < 100'000; ++i) many += "{},";
  CHECK(refused(many + "{}]}").status == 400);
  std::string outputs = "{\"outputs\":[";
  for (int i = 0; i < 100'000; ++i) outputs += "{},";
  CHECK(refused(outputs + "{}]}").status == 400);
  std::string faults = "{\"inputs\":[1";
  for (int i = 0; i < 100'000; ++i) faults += ",1";
  CHECK(refused(faults + "]}").body.size() < 10'000);
  std::string shape = "[1";
  for (int i = 0; i < 100'000; ++i) shape += ",1";
  CHECK(refused(tensor("\"shape\":" + shape + R"(],"datatype":"FP32","data":[1])")).body.size() < 1000);
}

TEST_CASE("depth and size have limits") {
  InferLimits limits;
  limits.max_depth = 8;
  limits.max_elements = 4;
  CHECK(refused("{\"a\":" + std::string(100, '[') + std::string(100, ']') + "}", limits).status == 400);
  CHECK(refused("{\"a\":" + std::string(100'000, '['), limits).status == 400);
  CHECK(refused(tensor(R"("shape":[5],"datatype":"FP32","data":[1,2,3,4,5])"), limits).status == 400);
  CHECK(read(tensor(R"("shape":[4],"datatype":"FP32","data":[1,2,3,4])"), limits).inputs.size() == 1);
}

TEST_CASE("missing values are let through by a setting") {
  InferLimits limits;
  limits.allow_not_finite = true;
  const auto numbers = read(tensor(R"("shape":[3],"datatype":"FP32","data":[null,NaN,1])"), limits).inputs[0].numbers;
  CHECK(std::isnan(numbers[0]));
  CHECK(std::isnan(numbers[1]));
  CHECK(numbers[2] == 1);
}

TEST_CASE("binary tensors follow the JSON") {
  const std::string head =
      R"({"inputs":[{"name":"x","shape":[2],"datatype":"FP32","parameters":{"binary_data_size":8}},)"
      R"({"name":"t","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":6}}]})";
  std::string body = head;
  append_number(DataType::fp32, 1.5, body);
  append_number(DataType::fp32, -2, body);
  body += std::string("\x02\0\0\0ab", 6);
  auto parsed = parse_infer_request(body, head.size(), {});
  REQUIRE(std::holds_alternative<InferRequest>(parsed));
  const auto& request = std::get<InferRequest>(parsed);
  CHECK(request.inputs[0].numbers == std::vector<double>{1.5, -2});
  CHECK(request.inputs[1].texts == std::vector<std::string>{"ab"});
  CHECK(refused(body.substr(0, body.size() - 1), {}, head.size()).status == 422);
  CHECK(refused(body + "x", {}, head.size()).status == 400);
  CHECK(refused(body, {}, body.size() + 1).status == 400);
  CHECK(refused(head).status == 422);  // announced, but nothing follows
}

TEST_CASE("answers as JSON and with raw tensors") {
  InferResponse response{"m",
                         "1",
                         "id",
                         "\"content_type\":\"np\"",
                         {{"score", DataType::fp64, {2}, {1, NAN}, "\"stateless\":true", false},
                          {"over", DataType::boolean, {2}, {1, 0}, "", false}}};
  CHECK(
      Json::parse(encode(response).body) ==
      Json::parse(
          R"({"model_name":"m","model_version":"1","id":"id","parameters":{"content_type":"np"},"outputs":[)"
          R"({"name":"score","shape":[2],"datatype":"FP64","parameters":{"content_type":"np","stateless":true},"data":[1.0,null]},)"
          R"({"name":"over","shape":[2],"datatype":"BOOL","parameters":{"content_type":"np"},"data":[true,false]}]})"));
  CHECK_FALSE(encode(response).json_bytes);
  response.outputs[0].binary = true;
  const EncodedResponse binary = encode(response);
  REQUIRE(binary.json_bytes);
  CHECK(binary.body.size() == *binary.json_bytes + 16);
  CHECK(decode_numbers(DataType::fp64, std::string_view(binary.body).substr(*binary.json_bytes))[0] == 1);
  CHECK(Json::parse(std::string_view(binary.body).substr(0, *binary.json_bytes))
            .at("outputs")
            .as_array()[0]
            .find("data") == nullptr);
}
