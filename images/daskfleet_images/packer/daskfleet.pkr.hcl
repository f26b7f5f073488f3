// A daskfleet image: one build, four sources, the same provisioners for each.
//
//   current packer:  packer init FOLDER && packer build -only=amazon-ebs.daskfleet FOLDER
//   packer 1.6:      packer build -only=amazon-ebs.daskfleet FOLDER/daskfleet.pkr.hcl
//
// `daskfleet image build` runs the same. Plugins are named in plugins.pkr.hcl, which packer 1.6 neither needs nor reads.

// Of every image

variable "family" {
  type        = string
  default     = "daskfleet"
  description = "Images of one family replace each other; the newest that fits is a fleet's default."
}

variable "version" {
  type        = string
  default     = ""
  description = "Version of the image, UTC as YYYYMMDDHHMM; now if empty."
}

variable "arch" {
  type        = string
  default     = "x86_64"
  description = "x86_64 or aarch64."
}

variable "gpu" {
  type        = bool
  default     = false
  description = "With NVIDIA's driver."
}

variable "requirements" {
  type        = string
  default     = ""
  description = "Lock of the Python environment: a requirements file with hashes. The packaged one if empty, with CUDA for a GPU."
}

variable "wheels" {
  type        = string
  default     = "build/wheels"
  description = "Folder that keeps the wheels that are downloaded for locks."
}

variable "report" {
  type        = string
  default     = "build/report"
  description = "Folder for image.json, what is in the image, and boot.txt, how it booted."
}

variable "python" {
  type        = string
  default     = "python3"
  description = "A Python with pip on the machine that builds, which downloads the wheels."
}

variable "max_mib" {
  type        = number
  default     = 0
  description = "The most that the image's file system may hold, MiB; 0: 2500, or 4500 with a GPU."
}

// On this machine

variable "base_image" {
  type        = string
  default     = "base.qcow2"
  description = "Disk image to build on: what base/debian makes, or Debian's own cloud image. File or URL."
}

variable "base_checksum" {
  type        = string
  default     = "none"
  description = "Checksum of base_image, as sha256:…; none trusts it."
}

variable "seed" {
  type        = string
  default     = "build/seed"
  description = "Folder that make-seed has made."
}

variable "output_directory" {
  type        = string
  default     = "build/image"
  description = "Folder, new, for image.qcow2."
}

variable "accelerator" {
  type        = string
  default     = "tcg"
  description = "kvm where the processor has it; tcg emulates, which takes minutes."
}

variable "cpus" {
  type    = number
  default = 2
}

variable "memory" {
  type        = number
  default     = 2048
  description = "MiB of the machine that builds."
}

variable "disk_size" {
  type        = string
  default     = ""
  description = "8G, or 16G with a GPU, if empty."
}

// On AWS

variable "aws_region" {
  type    = string
  default = "us-east-1"
}

variable "aws_instance_type" {
  type        = string
  default     = ""
  description = "m7i.large, or m7g.large for aarch64, or g6.xlarge with a GPU, if empty."
}

variable "aws_source_ami_owner" {
  type        = string
  default     = "136693071363"
  description = "Account that publishes the base image: Debian's."
}

variable "aws_source_ami_name" {
  type        = string
  default     = ""
  description = "Name of the base image, with wildcards; Debian 12 of the architecture if empty."
}

variable "aws_subnet_id" {
  type        = string
  default     = ""
  description = "Subnet to build in; the default network's if empty."
}

// On Google Cloud

variable "gcp_project" {
  type    = string
  default = ""
}

variable "gcp_zone" {
  type    = string
  default = "us-central1-a"
}

variable "gcp_machine_type" {
  type        = string
  default     = ""
  description = "e2-standard-2, or t2a-standard-2 for aarch64, if empty."
}

// On Azure

variable "azure_subscription_id" {
  type    = string
  default = ""
}

variable "azure_location" {
  type    = string
  default = "westeurope"
}

variable "azure_resource_group" {
  type        = string
  default     = "daskfleet-images"
  description = "Resource group, existing, that the image is put into."
}

variable "azure_vm_size" {
  type        = string
  default     = ""
  description = "Standard_D2s_v5, or Standard_D2ps_v5 for aarch64, if empty."
}

locals {
  version      = var.version != "" ? var.version : formatdate("YYYYMMDDhhmm", timestamp())
  arm          = var.arch == "aarch64"
  requirements = abspath(var.requirements != "" ? var.requirements : "${path.root}/../environment/${var.gpu ? "requirements-gpu" : "requirements"}.txt")
  wheels       = "${var.wheels}/${var.arch}"
  max_mib      = var.max_mib != 0 ? var.max_mib : (var.gpu ? 4500 : 2500)
  name         = "${var.family}-${local.version}-${var.arch}"
  work         = "/var/tmp/daskfleet-build"

  // What a fleet chooses its image by. The versions stand in the lock.
  lock = "\n${file(local.requirements)}"
  facts = {
    family      = var.family
    version     = local.version
    arch        = var.arch
    gpu         = var.gpu ? "true" : "false"
    python      = "3.11"
    dask        = regex_replace(local.lock, "(?s)^.*\ndask==([0-9A-Za-z.+!]+).*$", "$1")
    distributed = regex_replace(local.lock, "(?s)^.*\ndistributed==([0-9A-Za-z.+!]+).*$", "$1")
    cloudpickle = regex_replace(local.lock, "(?s)^.*\ncloudpickle==([0-9A-Za-z.+!]+).*$", "$1")
    lock        = substr(sha256(file(local.requirements)), 0, 16)
  }
  tags   = { for key, value in local.facts : "daskfleet:${key}" => value }
  labels = { for key, value in local.facts : "daskfleet-${key}" => replace(value, ".", "-") }
}

source "qemu" "daskfleet" {
  iso_url          = var.base_image
  iso_checksum     = var.base_checksum
  disk_image       = true
  disk_size        = var.disk_size != "" ? var.disk_size : (var.gpu ? "16G" : "8G")
  disk_interface   = "virtio"
  disk_discard     = "unmap"
  format           = "qcow2"
  cd_files         = ["${var.seed}/meta-data", "${var.seed}/user-data"]
  cd_label         = "cidata"
  net_device       = "virtio-net"
  accelerator      = var.accelerator
  cpus             = var.cpus
  memory           = var.memory
  headless         = true
  vnc_bind_address = "127.0.0.1"
  qemuargs = [
    ["-cpu", "max"],
    ["-serial", "file:${var.seed}/console.txt"],
  ]
  ssh_username         = "fleet"
  ssh_private_key_file = "${var.seed}/id"
  ssh_timeout          = "20m"
  boot_wait            = "1s"
  shutdown_command     = "sudo systemctl poweroff"
  shutdown_timeout     = "5m"
  output_directory     = var.output_directory
  vm_name              = "image.qcow2"
}

source "amazon-ebs" "daskfleet" {
  region          = var.aws_region
  instance_type   = var.aws_instance_type != "" ? var.aws_instance_type : (local.arm ? "m7g.large" : (var.gpu ? "g6.xlarge" : "m7i.large"))
  subnet_id       = var.aws_subnet_id
  ami_name        = local.name
  ami_description = "A node of a Dask fleet (daskfleet)"
  source_ami_filter {
    owners      = [var.aws_source_ami_owner]
    most_recent = true
    filters = {
      name                = var.aws_source_ami_name != "" ? var.aws_source_ami_name : (local.arm ? "debian-12-arm64-*" : "debian-12-amd64-*")
      virtualization-type = "hvm"
      root-device-type    = "ebs"
    }
  }
  launch_block_device_mappings {
    device_name           = "/dev/xvda"
    volume_type           = "gp3"
    throughput            = 125
    iops                  = 3000
    volume_size           = var.gpu ? 20 : 8
    delete_on_termination = true
  }
  user_data    = "#cloud-config\nuser: {name: fleet}\n"
  ssh_username = "fleet"
  ssh_timeout  = "10m"
  tags         = merge(local.tags, { Name = local.name })
  run_tags     = { Name = "${local.name}-build" }
}

source "googlecompute" "daskfleet" {
  project_id          = var.gcp_project
  zone                = var.gcp_zone
  machine_type        = var.gcp_machine_type != "" ? var.gcp_machine_type : (local.arm ? "t2a-standard-2" : "e2-standard-2")
  source_image_family = local.arm ? "debian-12-arm64" : "debian-12"
  image_name          = replace(lower(local.name), "_", "-")
  image_family        = var.family
  image_description   = "A node of a Dask fleet (daskfleet)"
  image_labels        = local.labels
  disk_size           = var.gpu ? 20 : 10
  metadata            = { enable-oslogin = "FALSE" } // Whatever the project says: with it the key of the build lets nobody in.
  ssh_username        = "fleet"
  ssh_timeout         = "10m"
}

source "azure-arm" "daskfleet" {
  use_azure_cli_auth                = true
  subscription_id                   = var.azure_subscription_id
  location                          = var.azure_location
  vm_size                           = var.azure_vm_size != "" ? var.azure_vm_size : (local.arm ? "Standard_D2ps_v5" : "Standard_D2s_v5")
  os_type                           = "Linux"
  image_publisher                   = "Debian"
  image_offer                       = "debian-12"
  image_sku                         = local.arm ? "12-arm64" : "12-gen2"
  managed_image_name                = local.name
  managed_image_resource_group_name = var.azure_resource_group
  azure_tags                        = local.labels
  ssh_username                      = "fleet"
  ssh_timeout                       = "10m"
}

build {
  sources = [
    "source.amazon-ebs.daskfleet",
    "source.googlecompute.daskfleet",
    "source.azure-arm.daskfleet",
    "source.qemu.daskfleet",
  ]

  // Downloads happen here, with the credentials and the index of whoever builds.
  provisioner "shell-local" {
    command = "bash '${path.root}/fetch-wheels' '${var.python}' '${var.arch}' '${local.wheels}' '${local.requirements}' '${path.root}/../environment/build.txt' && mkdir -p '${var.report}'"
  }

  provisioner "shell" {
    inline = ["mkdir --parents ${local.work}"]
  }
  provisioner "file" {
    source      = "${path.root}/../rootfs"
    destination = local.work
  }
  provisioner "file" {
    source      = "${path.root}/../rootfs-gpu"
    destination = local.work
  }
  provisioner "file" {
    source      = local.requirements
    destination = "${local.work}/requirements.txt"
  }
  provisioner "file" {
    source      = "${local.wheels}/wheels.tar"
    destination = "${local.work}/wheels.tar"
    generated   = true
  }
  provisioner "file" {
    source      = "${local.wheels}/node.tar"
    destination = "${local.work}/node.tar"
    generated   = true
  }

  provisioner "shell" {
    execute_command  = "sudo env {{ .Vars }} bash {{ .Path }}"
    environment_vars = ["WORK=${local.work}", "FAMILY=${var.family}", "VERSION=${local.version}", "ARCH=${var.arch}", "GPU=${var.gpu}"]
    scripts = [
      "${path.root}/../provision/10-system",
      "${path.root}/../provision/20-rootfs",
      "${path.root}/../provision/30-python",
      "${path.root}/../provision/40-gpu",
      "${path.root}/../provision/50-manifest",
    ]
  }

  // What is tried is what will boot.
  provisioner "shell" {
    execute_command   = "sudo env {{ .Vars }} bash {{ .Path }}"
    inline            = ["systemctl reboot"]
    expect_disconnect = true
  }
  provisioner "shell" {
    execute_command     = "sudo env {{ .Vars }} bash {{ .Path }}"
    environment_vars    = ["WORK=${local.work}", "GPU=${var.gpu}"]
    script              = "${path.root}/../provision/60-trial"
    pause_before        = "5s"
    start_retry_timeout = "15m"
  }

  provisioner "file" {
    direction   = "download"
    source      = "/etc/daskfleet/image.json"
    destination = "${var.report}/image.json"
  }
  provisioner "file" {
    direction   = "download"
    source      = "${local.work}/boot.txt"
    destination = "${var.report}/boot.txt"
  }

  provisioner "shell" {
    execute_command  = "sudo env {{ .Vars }} bash {{ .Path }}"
    environment_vars = ["WORK=${local.work}", "FAMILY=${var.family}", "VERSION=${local.version}", "MAX_MIB=${local.max_mib}", "GPU=${var.gpu}"]
    scripts = [
      "${path.root}/../provision/80-cleanup",
      "${path.root}/../provision/90-validate",
    ]
  }
}
