"""Files in which people describe registries: certificates, mirrors, blocks and short names."""
