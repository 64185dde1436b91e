"""The submit commands that condor_submit knows, and the commands that the executor reserves for itself.

This module has only data, no logic. `COMMANDS` and `ALIASES` are taken from the HTCondor source, version 25.14.0:
`SUBMIT_KEY_*` and `SUBMIT_CMD_*` in `src/condor_utils/submit_utils.h`, the table `prunable_keywords` and
every `submit_param(name, other_name)` in `src/condor_utils/submit_utils.cpp`, the queue and factory switches
of `condor_submit`, and the commands that `docs/man-pages/htcondor-jdl.rst` defines. The tables omit keywords that the
header still declares but no code reads, because condor_submit silently ignores them. All names are in lower case,
because submit commands are case-insensitive.

Example:
    >>> "request_memory" in KNOWN, ALIASES["prio"], "executable" in OWNED
    (True, 'priority', True)

"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

COMMANDS: Final[frozenset[str]] = frozenset(
    """
    accounting_group accounting_group_user allow_arguments_v1 allow_environment_v1
    allowed_execute_duration allowed_job_duration append_files arc_application arc_data_staging
    arc_resources arc_rte arguments arguments2 aws_access_key_id_file aws_region
    aws_secret_access_key_file azure_admin_key azure_admin_username azure_auth_file azure_image
    azure_location azure_size batch_extra_submit_args batch_id batch_name batch_project batch_queue
    batch_runtime buffer_block_size buffer_files buffer_size checkpoint_destination checkpoint_exit_code
    cloud_label_names compress_files concurrency_limits concurrency_limits_expr container_image
    container_is_common container_service_names container_target_dir core_size cron_day_of_month
    cron_day_of_week cron_hour cron_minute cron_month cron_prep_time cron_window cuda_version
    dag_node_name dagman_job_id dagman_log deferral_prep_time deferral_time deferral_window
    delegate_job_gsi_credentials_lifetime description disk_usage docker_image docker_network_type
    docker_override_entrypoint docker_pull_policy docker_send_credentials dont_encrypt_input_files
    dont_encrypt_output_files ec2_access_key_id ec2_ami_id ec2_availability_zone ec2_block_device_mapping
    ec2_ebs_volumes ec2_elastic_ip ec2_iam_profile_arn ec2_iam_profile_name ec2_instance_type ec2_keypair
    ec2_keypair_file ec2_parameter_names ec2_secret_access_key ec2_security_groups ec2_security_ids
    ec2_spot_price ec2_tag_names ec2_user_data ec2_user_data_file ec2_vpc_ip ec2_vpc_subnet
    email_attributes encrypt_execute_directory encrypt_input_files encrypt_output_files environment
    environment2 erase_output_and_error_on_restart error executable fetch_files file_remaps gce_account
    gce_auth_file gce_image gce_json_file gce_machine_type gce_metadata gce_metadata_file gce_preemptible
    getenv gpus_maximum_capability gpus_minimum_capability gpus_minimum_memory gpus_minimum_runtime
    grid_resource gs_access_key_id_file gs_secret_access_key_file hold hold_kill_sig image_size initialdir
    input interactive_args interactive_executable jar_files java_vm_args java_vm_arguments
    java_vm_arguments2 job_ad_information_attrs job_lease_duration job_machine_attrs
    job_machine_attrs_history_length job_max_vacate_time jobset keep_claim_idle kill_sig kill_sig_timeout
    leave_in_queue load_profile local_files log log_xml machine_count manifest manifest_dir
    match_list_length max_idle max_job_retirement_time max_materialize max_retries max_transfer_input_mb
    max_transfer_output_mb mount_under_scratch next_job_start_delay nice_user node_count noop_job
    noop_job_exit_code noop_job_exit_signal notification notify_user on_evict_checks on_exit_hold
    on_exit_hold_reason on_exit_hold_subcode on_exit_remove output output_destination output_directory
    parallel_script_shadow parallel_script_starter periodic_hold periodic_hold_reason
    periodic_hold_subcode periodic_release periodic_remove periodic_vacate preserve_relative_paths
    primary_unix_group priority project_name public_input_files queue rank remote_grid_resource
    remote_initialdir remote_remote_grid_resource remote_remote_universe remote_universe remove_kill_sig
    rendezvousdir request_cpus request_disk request_gpus request_memory require_gpus requirements
    retry_request_disk retry_request_memory retry_request_memory_increase retry_request_memory_max
    retry_until run_as_owner s3_access_key_id_file s3_secret_access_key_file scitokens_file shell
    should_transfer_files skip_filechecks skip_if_dataflow stack_size starter_debug starter_log
    stream_error stream_input stream_output submit_allow_duplicate_matches submit_event_notes
    submit_event_notes_attrs submit_event_user_notes submit_fail_empty_fields submit_fail_empty_matches
    submit_match_directories submit_warn_duplicate_matches submit_warn_empty_fields
    submit_warn_empty_matches success_exit_code suspend_job_at_exec tool_daemon_args tool_daemon_arguments
    tool_daemon_arguments2 tool_daemon_cmd tool_daemon_error tool_daemon_input tool_daemon_output
    transfer_checkpoint_files transfer_common_input transfer_container transfer_error transfer_executable
    transfer_input transfer_input_files transfer_output transfer_output_files transfer_output_remaps
    transfer_plugins ulog_execute_attrs universe use_oauth_services use_scitokens use_x509userproxy
    vm_checkpoint vm_disk vm_macaddr vm_memory vm_networking vm_networking_type vm_no_output_vm vm_type
    vm_vcpus vm_vnc want_graceful_removal want_io_proxy want_job_networking wantnametag
    wantparallelscheduling when_to_transfer_output x509userproxy xen_initrd xen_kernel xen_kernel_params
    xen_root
    """.split()  # noqa: SIM905  # a table of words, not one line for each
)
"""The submit commands, by their first names."""

ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    dict(
        pair.split("=")
        for pair in """
    accountinggroup=accounting_group acctgroupuser=accounting_group_user
    allowedexecuteduration=allowed_execute_duration allowedjobduration=allowed_job_duration
    appendfiles=append_files arcapplication=arc_application arcdatastaging=arc_data_staging
    arcresources=arc_resources arcrte=arc_rte args=arguments awsregion=aws_region
    azureadminkey=azure_admin_key azureadminusername=azure_admin_username azureauthfile=azure_auth_file
    azureimage=azure_image azurelocation=azure_location azuresize=azure_size
    batchextrasubmitargs=batch_extra_submit_args batchproject=batch_project batchqueue=batch_queue
    batchruntime=batch_runtime bufferblocksize=buffer_block_size bufferfiles=buffer_files
    buffersize=buffer_size checkpointdestination=checkpoint_destination cmd=executable
    commoninputfiles=transfer_common_input compressfiles=compress_files containerimage=container_image
    containeriscommon=container_is_common containerservicenames=container_service_names
    containertargetdir=container_target_dir coresize=core_size crondayofmonth=cron_day_of_month
    crondayofweek=cron_day_of_week cronhour=cron_hour cronminute=cron_minute cronmonth=cron_month
    cronpreptime=cron_prep_time cronwindow=cron_window cudaversion=cuda_version dagmanjobid=dagman_job_id
    dagmannodeslog=dagman_log dagnodename=dag_node_name deferralpreptime=deferral_prep_time
    deferraltime=deferral_time deferralwindow=deferral_window
    delegatejobgsicredentialslifetime=delegate_job_gsi_credentials_lifetime diskusage=disk_usage
    dockerimage=docker_image dockernetworktype=docker_network_type
    dockeroverrideentrypoint=docker_override_entrypoint dockerpullpolicy=docker_pull_policy
    dockersendcredentials=docker_send_credentials dontencryptinputfiles=dont_encrypt_input_files
    dontencryptoutputfiles=dont_encrypt_output_files ec2_key_pair_file=ec2_keypair_file
    ec2_keyp_air=ec2_keypair ec2accesskeyid=ec2_access_key_id ec2amiid=ec2_ami_id
    ec2availabilityzone=ec2_availability_zone ec2blockdevicemapping=ec2_block_device_mapping
    ec2elasticblockstoragevolumes=ec2_ebs_volumes ec2elasticip=ec2_elastic_ip
    ec2iamprofilearn=ec2_iam_profile_arn ec2iamprofilename=ec2_iam_profile_name
    ec2instancetype=ec2_instance_type ec2keypair=ec2_keypair ec2keypairfile=ec2_keypair_file
    ec2paramnames=ec2_parameter_names ec2secretaccesskey=ec2_secret_access_key
    ec2securitygroups=ec2_security_groups ec2securityids=ec2_security_ids ec2spotprice=ec2_spot_price
    ec2userdata=ec2_user_data ec2userdatafile=ec2_user_data_file ec2vpcip=ec2_vpc_ip
    ec2vpcsubnet=ec2_vpc_subnet emailattributes=email_attributes
    encryptexecutedirectory=encrypt_execute_directory encryptinputfiles=encrypt_input_files
    encryptoutputfiles=encrypt_output_files env=environment
    eraseoutputanderroronrestart=erase_output_and_error_on_restart fetchfiles=fetch_files
    fileremaps=file_remaps gceaccount=gce_account gceauthfile=gce_auth_file gceimage=gce_image
    gcejsonfile=gce_json_file gcemachinetype=gce_machine_type gcemetadata=gce_metadata
    gcemetadatafile=gce_metadata_file gcepreemptible=gce_preemptible get_env=getenv
    gpusmaxcapability=gpus_maximum_capability gpusmincapability=gpus_minimum_capability
    gpusminmemory=gpus_minimum_memory gpusminruntime=gpus_minimum_runtime gridresource=grid_resource
    holdkillsig=hold_kill_sig imagesize=image_size initial_dir=initialdir isnoopjob=noop_job
    iwd=initialdir jarfiles=jar_files javavmargs=java_vm_arguments job_iwd=initialdir
    jobadinformationattrs=job_ad_information_attrs jobbatchid=batch_id jobbatchname=batch_name
    jobdescription=description jobleaseduration=job_lease_duration jobmachineattrs=job_machine_attrs
    jobmachineattrshistorylength=job_machine_attrs_history_length jobmaterializelimit=max_materialize
    jobmaterializemaxidle=max_idle jobmaxretries=max_retries jobmaxvacatetime=job_max_vacate_time
    jobnotification=notification jobprio=priority jobsetname=jobset jobstarterdebug=starter_debug
    jobstarterlog=starter_log jobsuccessexitcode=success_exit_code jobuniverse=universe
    jobvm_macaddr=vm_macaddr jobvm_vcpus=vm_vcpus jobvmcheckpoint=vm_checkpoint jobvmmemory=vm_memory
    jobvmnetworking=vm_networking jobvmnetworkingtype=vm_networking_type jobvmtype=vm_type
    jobvmvncconsole=vm_vnc keepclaimidle=keep_claim_idle killsig=kill_sig killsigtimeout=kill_sig_timeout
    lastmatchlistlength=match_list_length leavejobinqueue=leave_in_queue loadprofile=load_profile
    localfiles=local_files machinecount=machine_count manifestdesired=manifest manifestdir=manifest_dir
    materialize_max_idle=max_idle maxjobretirementtime=max_job_retirement_time
    maxtransferinputmb=max_transfer_input_mb maxtransferoutputmb=max_transfer_output_mb
    mountunderscratch=mount_under_scratch nextjobstartdelay=next_job_start_delay niceuser=nice_user
    nodecount=node_count noopjobexitcode=noop_job_exit_code noopjobexitsignal=noop_job_exit_signal
    notifyuser=notify_user onexithold=on_exit_hold onexitholdreason=on_exit_hold_reason
    onexitholdsubcode=on_exit_hold_subcode onexitremove=on_exit_remove
    outputdestination=output_destination outputdirectory=output_directory
    parallelscriptshadow=parallel_script_shadow parallelscriptstarter=parallel_script_starter
    periodichold=periodic_hold periodicholdreason=periodic_hold_reason
    periodicholdsubcode=periodic_hold_subcode periodicrelease=periodic_release
    periodicremove=periodic_remove periodicvacate=periodic_vacate preferences=rank
    preserverelativepaths=preserve_relative_paths primaryunixgroup=primary_unix_group prio=priority
    projectname=project_name publicinputfiles=public_input_files remoteiwd=remote_initialdir
    removekillsig=remove_kill_sig requestcpus=request_cpus requestdisk=request_disk
    requestgpus=request_gpus requestmemory=request_memory requiregpus=require_gpus runasowner=run_as_owner
    scitokensfile=scitokens_file shouldtransferfiles=should_transfer_files skipifdataflow=skip_if_dataflow
    stacksize=stack_size stderr=error stdin=input stdout=output streamerr=stream_error
    streamin=stream_input streamout=stream_output submiteventnotes=submit_event_notes
    submiteventnotesattrs=submit_event_notes_attrs submiteventusernotes=submit_event_user_notes
    successcheckpointexitcode=checkpoint_exit_code suspendjobatexec=suspend_job_at_exec
    tooldaemonargs=tool_daemon_arguments tooldaemoncmd=tool_daemon_cmd tooldaemonerror=tool_daemon_error
    tooldaemoninput=tool_daemon_input tooldaemonoutput=tool_daemon_output
    transfercheckpoint=transfer_checkpoint_files transfercontainer=transfer_container
    transfererr=transfer_error transferexecutable=transfer_executable transferin=transfer_input
    transferinputfiles=transfer_input_files transferout=transfer_output
    transferoutputfiles=transfer_output_files transferoutputremaps=transfer_output_remaps
    transferplugins=transfer_plugins transformonevict=on_evict_checks use_scitoken=use_scitokens
    useoauthservices=use_oauth_services userlog=log userlogexecuteeventattrs=ulog_execute_attrs
    userlogusexml=log_xml wantgracefulremoval=want_graceful_removal wantioproxy=want_io_proxy
    wantjobnetworking=want_job_networking whentotransferoutput=when_to_transfer_output
    """.split()  # noqa: SIM905  # a table of words, not one line for each
    )
)
"""Other name -> first name. Most are names of job attributes, which condor_submit accepts as commands."""

ELSEWHERE: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {
        **dict.fromkeys(("container", "docker", "image", "singularity"), ("container_image",)),
        **dict.fromkeys(("cores", "ncpus", "ncores", "cpus_per_task"), ("request_cpus",)),
        **dict.fromkeys(("ngpus", "gres"), ("request_gpus",)),
        **dict.fromkeys(("mem", "mem_per_cpu", "ram", "vmem"), ("request_memory",)),
        **dict.fromkeys(("time", "time_limit", "timeout", "walltime"), ("allowed_execute_duration",)),
        **dict.fromkeys(("n_jobs", "n_workers", "nprocs", "num_workers", "processes"), ("max_workers",)),
        **dict.fromkeys(("job_name", "jobname"), ("batch_name",)),
        **dict.fromkeys(("partition", "qos"), ("job_flavour", "accounting_group")),
        **dict.fromkeys(("account", "project"), ("accounting_group",)),
        **dict.fromkeys(("conda_env", "conda_environment", "venv", "virtualenv"), ("python_environment",)),
    }
)
"""Name in other systems and executors -> our keywords.

Used only for advice in errors, because their spelling is not similar.
"""

NEWER: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        **dict.fromkeys(("docker_send_credentials", "primary_unix_group", "want_job_networking"), (25, 0)),
        **dict.fromkeys(
            (
                "container_is_common",
                "on_evict_checks",
                "project_name",
                "retry_request_disk",
                "retry_request_memory",
                "retry_request_memory_increase",
                "retry_request_memory_max",
                "transfer_common_input",
            ),
            (25, 1),
        ),
    }
)
"""Commands that bindings 24.0.24 or 25.0.14 ignore -> the first version of the bindings that may have them."""

KNOWN: Final[frozenset[str]] = COMMANDS | ALIASES.keys()
"""All names that condor_submit reads, except those that match `PATTERNS`."""

PATTERNS: Final[tuple[str, ...]] = (
    r"request_[a-z0-9]\w+",  # a custom machine resource: at least two characters, without a leading "_"
    r"\w+_oauth_(permissions|resource|options)(_\w+)?",  # per service, and per handle, of use_oauth_services
    r"\w+_container_port",  # per service of container_service_names
    r"transform_body_\w+",  # per tag of on_evict_checks
    r"(cloud_label|ec2_tag|ec2_parameter)_\w+",
)
"""Regular expressions for the commands whose names contain a name that the user chooses."""

_RUNNER = "the executor runs its own runner as the job's executable; pass your function to submit()"
_ARGUMENTS = "the executor passes the name of the job's bundle there; pass your arguments to submit()"
_INPUT = "the runner reads no standard input; pass the data as an argument, or the file in transfer_input_files"
_OUTPUT = (
    "the executor keeps one such file for each job; read it with the future's stdout() or stderr(), or use keep_logs"
)
_DIRECTORY = "the executor sets it to the directory of the job's bundle; use absolute paths for files instead"
_LOG = "the executor follows all jobs in the session's event log; read that log, or use keep_logs"
_NOTES = "the executor stores the bundle's key in the submit event; use description, batch_name or MY.<attribute>"
_TRANSFER = "the executor decides how its files are transferred; add your own files with transfer_input_files"
_RETURN = "outcomes must return to the session; for your own files use transfer_output_files and transfer_output_remaps"
_DESTINATION = (
    "outcomes must return to the session; to send your own file elsewhere, use transfer_output_files and "
    "transfer_output_remaps={'f.root': 'root://eos.example.org//path/f.root'}"
)
_MATERIALIZE = "the access point would create the jobs one by one, without their spooled files; use max_workers"
_NOOP = "the job would end without making its calls; remove this command"
_CHECKPOINT = (
    "HTCondor would wait for an exit status of the job, which is the runner's; let your calls save to "
    "condor_futures.checkpoint_file()"
)
_GPUS = "HTCondor rejects it; use gpus_minimum_memory"

OWNED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "allow_arguments_v1": _ARGUMENTS,
        "arguments": _ARGUMENTS,
        "arguments2": _ARGUMENTS,
        "checkpoint_destination": _CHECKPOINT,
        "checkpoint_exit_code": _CHECKPOINT,
        "dagman_log": _LOG,
        "error": _OUTPUT,
        "executable": _RUNNER,
        # condor_submit rejects it for spooled jobs (SetJobStatus in submit_utils.cpp).
        "hold": "a spooled job cannot start on hold; call submit() when the call may start",
        "initialdir": _DIRECTORY,
        "input": _INPUT,
        "interactive_args": _RUNNER,
        "interactive_executable": _RUNNER,
        "leave_in_queue": "the executor removes its jobs from the queue when they end; see condor_history",
        "log": _LOG,
        "log_xml": _LOG,
        "max_idle": _MATERIALIZE,
        "max_materialize": _MATERIALIZE,
        "noop_job": _NOOP,
        "noop_job_exit_code": _NOOP,
        "noop_job_exit_signal": _NOOP,
        "output": _OUTPUT,
        "output_destination": _DESTINATION,
        "output_directory": _RETURN,
        "queue": "the executor queues one job for each bundle; call submit() or map() for more jobs (HTCondor has no "
        "queues to choose from: see accounting_group)",
        "remote_initialdir": "the runner must start in the job sandbox; call os.chdir() in your function",
        # The executor does not use these, but condor_submit rejects both, and both match PATTERNS.
        "request_gpu_memory": _GPUS,
        "request_gpus_memory": _GPUS,
        "shell": "it would replace the runner; call subprocess.run() in your function",
        "should_transfer_files": _TRANSFER,
        "skip_if_dataflow": _NOOP,
        "stream_error": _OUTPUT,
        "stream_input": _INPUT,
        "stream_output": _OUTPUT,
        "submit_event_notes": _NOTES,
        # HTCondor reads back a user note that looks like a ClassAd ("[...]") or a "DAG Node:" line as the log note,
        # which contains our key. submit_event_notes_attrs replaces the log note with a ClassAd (SubmitEvent,
        # condor_event.cpp).
        "submit_event_notes_attrs": _NOTES,
        "submit_event_user_notes": _NOTES,
        "transfer_checkpoint_files": _CHECKPOINT,
        "transfer_error": _OUTPUT,
        "transfer_executable": _TRANSFER,
        "transfer_input": _INPUT,
        "transfer_output": _OUTPUT,
        # An image makes a vanilla job a container job (SetUniverse), so no other universe is needed.
        "universe": "the executor's jobs are vanilla; container_image makes them container jobs",
        "when_to_transfer_output": "the executor decides when outcomes return; for files that survive an eviction, use "
        "condor_futures.checkpoint_file()",
    }
)
"""Commands that would break the executor's protocol -> the reason, and what to do instead."""

OPTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "credentials",
                "initargs",
                "initializer",
                "max_tasks_per_child",
                "mp_context",
                "progress",
                "session",
                "warm_lifetime",
            ),
            "CondorExecutor() only",
        ),
        **dict.fromkeys(("access_point", "max_workers"), "CondorExecutor() and DagExecutor() only"),
        **dict.fromkeys(("after", "category", "discard_result", "name"), "with_options() only"),
        **dict.fromkeys(
            ("keep_logs", "memory_max", "on_hold", "python_environment", "retry_exceptions", "ship", "spool", "warm"),
            "CondorExecutor() and its with_options()",
        ),
    }
)
"""The executors' own keywords -> the callables that take them, as text for messages.

Used only in errors, when another callable gets such a keyword.
"""

OWNED_ATTRIBUTES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "args": "arguments",
        "arguments": "arguments",
        "checkpointdestination": "checkpoint_destination",
        "checkpointexitcode": "checkpoint_exit_code",
        "checkpointfiles": "transfer_checkpoint_files",
        "checkpointsig": "checkpoint_exit_code",
        "cmd": "executable",
        "dagmannodeslog": "dagman_log",
        "dagmannodesmask": "dagman_log",  # selects the events for the log
        "err": "error",
        "in": "input",
        "isnoopjob": "noop_job",
        "iwd": "initialdir",
        "jobuniverse": "universe",
        "leavejobinqueue": "leave_in_queue",
        "out": "output",
        "outputdestination": "output_destination",
        "remoteiwd": "remote_initialdir",
        "shouldtransferfiles": "should_transfer_files",
        "skipifdataflow": "skip_if_dataflow",
        "streamerr": "stream_error",
        "streamin": "stream_input",
        "streamout": "stream_output",
        "submiteventnotes": "submit_event_notes",
        "submiteventnotesattrs": "submit_event_notes_attrs",
        "submiteventusernotes": "submit_event_user_notes",
        "successcheckpointexitbysignal": "checkpoint_exit_code",
        "successcheckpointexitcode": "checkpoint_exit_code",
        "successcheckpointexitsignal": "checkpoint_exit_code",
        "transfercheckpoint": "transfer_checkpoint_files",
        "transfererr": "transfer_error",
        "transferexecutable": "transfer_executable",
        "transferin": "transfer_input",
        "transferinput": "transfer_input_files",
        "transferout": "transfer_output",
        "transferoutput": "transfer_output_files",
        "userlog": "log",
        "userlogusexml": "log_xml",
        "wantcheckpointsignal": "checkpoint_exit_code",
        "wantftoncheckpoint": "checkpoint_exit_code",
        "whentotransferoutput": "when_to_transfer_output",
    }
)
"""Job attribute (lower case) -> the submit command that sets it.

`MY.<attribute>` takes precedence over the command, so a custom attribute with such a name would bypass `OWNED`.
"""
