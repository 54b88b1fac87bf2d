"""Events to an MQTT broker at QoS 1: delivered when it has acknowledged them."""
