"""Shipments: one read, and the slow one, since it asks the carrier."""

from headgate.server.demo.servers.serving import READ, Record, SampleTool, find


def tools() -> tuple[SampleTool, ...]:
    """Make the tools of the shipments server."""
    shipments: dict[str, Record] = {
        "A-17": {
            "order_id": "A-17",
            "carrier": "Northway Parcel",
            "tracking": "NP-88-1207-331",
            "status": "stuck",
            "events": [
                {"on": "2026-11-03", "at": "Lyon", "what": "handed over"},
                {"on": "2026-11-04", "at": "Metz hub", "what": "sorted"},
                {"on": "2026-11-05", "at": "Metz hub", "what": "label unreadable, held"},
            ],
        }
    }
    return (
        SampleTool(
            name="get_shipment",
            description="Where an order's parcel is, asked of the carrier, which takes its time.",
            arguments={"order_id": {"type": "string", "description": "Such as A-17"}},
            annotations=READ,
            takes_s=4.3,
            answer=lambda arguments, _: find(shipments, arguments["order_id"], "shipment of order"),
        ),
    )
