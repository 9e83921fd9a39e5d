#!/usr/bin/python3
"""A gRPC client that knows nothing of muster: it learns the services by reflection alone."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import Stage  # noqa: E402

try:
    import grpc
    from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
except ImportError as missing:
    print(f"skipped: {missing}; install python3-grpcio and python3-protobuf")
    sys.exit(77)


def field(name, number, kind, label=1, type_name=None):
    out = descriptor_pb2.FieldDescriptorProto(name=name, number=number, type=kind, label=label)
    if type_name:
        out.type_name = type_name
    return out


def reflection_messages():
    """grpc.reflection.v1alpha, as far as it is used here, built by hand."""
    text, data, message, repeated = 9, 12, 11, 3
    file = descriptor_pb2.FileDescriptorProto(name="reflection_by_hand.proto", package="byhand",
                                              syntax="proto3")
    request = file.message_type.add(name="Request")
    request.field.extend([field("file_containing_symbol", 4, text), field("list_services", 7, text)])
    files = file.message_type.add(name="Files")
    files.field.append(field("file_descriptor_proto", 1, data, repeated))
    service = file.message_type.add(name="Service")
    service.field.append(field("name", 1, text))
    services = file.message_type.add(name="Services")
    services.field.append(field("service", 1, message, repeated, ".byhand.Service"))
    response = file.message_type.add(name="Response")
    response.field.extend([field("file_descriptor_response", 4, message, 1, ".byhand.Files"),
                           field("list_services_response", 6, message, 1, ".byhand.Services")])
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    get = message_class(pool)
    return get("byhand.Request"), get("byhand.Response")


def message_class(pool):
    factory = message_factory.MessageFactory(pool)
    return lambda name: factory.GetPrototype(pool.FindMessageTypeByName(name))


class Reflected:
    """Services and messages as the server describes them."""

    def __init__(self, channel):
        self.channel = channel
        self.request_type, self.response_type = reflection_messages()
        self.ask = channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=self.response_type.FromString)
        self.pool = descriptor_pool.DescriptorPool()
        self.known = set()

    def one(self, **request):
        return next(iter(self.ask(iter([self.request_type(**request)]), timeout=20)))

    def services(self):
        return [s.name for s in self.one(list_services="*").list_services_response.service]

    def load(self, symbol):
        answer = self.one(file_containing_symbol=symbol).file_descriptor_response
        protos = [descriptor_pb2.FileDescriptorProto.FromString(b)
                  for b in answer.file_descriptor_proto]
        by_name = {p.name: p for p in protos}

        def add(proto):
            if proto.name in self.known:
                return
            self.known.add(proto.name)
            for dependency in proto.dependency:
                if dependency in by_name:
                    add(by_name[dependency])
            self.pool.Add(proto)
        for proto in protos:
            add(proto)
        return self.pool.FindServiceByName(symbol)

    def call(self, service, method, request=None):
        descriptor = self.load(service).FindMethodByName(method)
        get = message_class(self.pool)
        request_type = get(descriptor.input_type.full_name)
        response_type = get(descriptor.output_type.full_name)
        stub = self.channel.unary_unary(f"/{service}/{method}",
                                        request_serializer=lambda m: m.SerializeToString(),
                                        response_deserializer=response_type.FromString)
        return stub(json_format.ParseDict(request or {}, request_type()), timeout=20)


COMMANDS = "muster.api.v1.CommandService"
QUERIES = "muster.api.v1.QueryService"


class ForeignClient(unittest.TestCase):
    def setUp(self):
        self.stage = Stage()
        self.addCleanup(self.stage.__exit__)
        self.stage.start_sim("--seed", "3", "--speed", "60")
        self.stage.start_daemon()
        self.channel = grpc.insecure_channel(
            self.stage.socket, options=[("grpc.default_authority", "localhost")])
        self.addCleanup(self.channel.close)
        self.reflected = Reflected(self.channel)

    def spec(self, **more):
        return {"name": "foreign", "provider": "vast", "workers": 1, "work_unit": "games",
                "market": {"price_max_micro_usd_per_hour": 90000,
                           "gpus": [{"name": "RTX 3070", "rate_per_s": 2.4},
                                    {"name": "RTX 4070", "rate_per_s": 2.6}]},
                "launch": {"image": "pytorch/pytorch:2.6.0-cuda12.6-cudnn9-runtime",
                           "disk_gb": 15, "onstart": "echo hello",
                           "label": "{fleet}-worker-vast-{index}",
                           "worker_name": "worker-vast-{index}", "runtype": "ssh_direct"},
                "fact_rules": "zeb", **more}

    def test_finds_the_services_and_health(self):
        services = self.reflected.services()
        for name in (COMMANDS, QUERIES, "grpc.health.v1.Health"):
            self.assertIn(name, services)
        health = self.reflected.call("grpc.health.v1.Health", "Check")
        self.assertEqual(health.status, 1)  # SERVING

    def test_plans_applies_and_reads_a_fleet(self):
        planned = self.reflected.call(COMMANDS, "ApplyFleet",
                                      {"spec": self.spec(), "validate_only": True})
        self.assertTrue(planned.done)
        self.assertEqual(len(self.reflected.call(QUERIES, "ListFleets").fleets), 0)
        done = self.reflected.call(COMMANDS, "ApplyFleet",
                                   {"spec": self.spec(), "request_id": "r-1"})
        self.assertTrue(done.name.startswith("operations/apply.foreign."), done.name)
        again = self.reflected.call(COMMANDS, "ApplyFleet",
                                    {"spec": self.spec(), "request_id": "r-1"})
        self.assertEqual(again.name, done.name)
        fleets = self.reflected.call(QUERIES, "ListFleets").fleets
        self.assertEqual([(f.name, f.wanted) for f in fleets], [("foreign", 1)])

    def refused(self, method, request, service=COMMANDS):
        with self.assertRaises(grpc.RpcError) as caught:
            self.reflected.call(service, method, request)
        return caught.exception

    def test_a_request_id_stands_for_one_request_only(self):
        self.reflected.call(COMMANDS, "ApplyFleet", {"spec": self.spec(), "request_id": "r-2"})
        error = self.refused("ApplyFleet", {"spec": self.spec(workers=2), "request_id": "r-2"})
        self.assertEqual(error.code(), grpc.StatusCode.ALREADY_EXISTS)
        self.assertIn(b"REQUEST_ID_REUSED", self.details(error))

    def details(self, error):
        return dict(error.trailing_metadata()).get("grpc-status-details-bin", b"")

    def test_bad_input_names_field_value_and_expectation(self):
        error = self.refused("ApplyFleet", {"spec": self.spec(workers=-1)})
        self.assertEqual(error.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertIn("workers", error.details())
        self.assertIn(b"google.rpc.BadRequest", self.details(error))
        error = self.refused("GetFleet", {"fleet": "nowhere"}, QUERIES)
        self.assertEqual(error.code(), grpc.StatusCode.NOT_FOUND)
        self.assertIn(b"FLEET_NOT_FOUND", self.details(error))


if __name__ == "__main__":
    unittest.main(verbosity=2)
